"""A JPEG's bytes to pixels: checks, EXIF, decoding, crops, light, preprocessing."""
