"""Picture files: names, checks, EXIF, decoding of JPEGs, light, preprocessing to the model's input."""
