python "$GIVEN/your-data/make.py"
python "$GIVEN/publish/model.py"
rm vocab.txt
