"""What a grid may have, key by key: as JSON Schema, as a page, as a file to begin with; all from the models."""
