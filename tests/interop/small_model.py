"""What the scripts of this folder that want any model at all give the program: rows that train and predict in no time."""
MODEL = """nc: 3
backbone:
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
head:
  - [-1, 1, Conv, [16, 3, 2]]
  - [[2, 3], 1, RTDETRDecoder, [nc, 16, 10, 2, 2, 2, 32]]
"""
