"""Files of images, whatever their format: opened safely, read when they are sliced."""
