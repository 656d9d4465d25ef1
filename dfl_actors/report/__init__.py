"""What a person sees of a network: the live table, the closing summary and the picture, all made from plain data."""
