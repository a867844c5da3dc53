python "$GIVEN/your-data/make.py"
