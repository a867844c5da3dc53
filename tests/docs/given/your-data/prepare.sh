git init --quiet .
python make.py
rm make.py
