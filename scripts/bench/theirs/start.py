"""The start of a Python program that would measure a model."""

import onnxruntime

print(onnxruntime.__version__)
