#!/usr/bin/env python3
"""Exports networks of keras.applications with random weights as .tflite files.

    python3 scripts/export_tflite.py FOLDER [--only mobilenet_v2,resnet50]

Needs TensorFlow (pip install tensorflow-cpu==2.21.0). For each network NAME.tflite (fp32)
and NAME.int8.tflite: full integer by TensorFlow's own converter, calibrated on random
images, inputs and outputs int8; of "tiny", which is not a network but one of each form that
converters write, NAME.dyn.tflite with weights of bytes as well. Weights are random: they
change no latency. Only NAME: with --only. Files of "tiny" belong into
benchmarks/tflitereader/testdata.
"""

import argparse
import pathlib
from functools import partial

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

def tiny(weights=None, input_shape=None):
    """A model with one of each form that converters write."""
    k = tf.keras
    layers = k.layers
    image = x = k.Input(input_shape)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    y = layers.DepthwiseConv2D(3, padding="same")(x)
    y = layers.Activation("silu")(y)
    s = layers.GlobalAveragePooling2D(keepdims=True)(y)
    s = layers.Conv2D(4, 1, activation="relu")(s)
    s = layers.Conv2D(8, 1)(s)
    s = layers.ReLU(6.0)(s + 3.0) * (1.0 / 6.0)
    y = layers.Multiply()([y, s])
    x = layers.Add()([x, layers.Conv2D(8, 1)(y)])
    x = layers.Activation("hard_swish")(layers.Conv2D(16, 3, padding="same", groups=2)(x))
    a, b = x[..., :8], layers.MaxPooling2D(3, strides=1, padding="same")(x)
    x = layers.Concatenate()([a, b])
    x = layers.AveragePooling2D(2)(x)
    u = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.Conv2DTranspose(24, 2, strides=2)(x) + u
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.Activation("gelu")(layers.Dense(32)(x))
    x = layers.MaxPooling2D(2)(x)
    x = layers.Reshape((16, 32))(x)
    q, v = layers.Dense(32)(x), layers.Dense(32)(x)
    p = layers.Softmax()(tf.keras.ops.matmul(q, tf.keras.ops.transpose(x, (0, 2, 1))))
    x = layers.LayerNormalization()(x + tf.keras.ops.matmul(p, v))
    x = layers.GlobalAveragePooling1D()(x)
    return k.Model(image, layers.Dense(5, activation="sigmoid")(x))


A = tf.keras.applications
NETWORKS = {
    "tiny": (tiny, 16),
    "mobilenet_v1": (A.MobileNet, 224),
    "mobilenet_v2": (A.MobileNetV2, 224),
    "mobilenet_v3_small": (A.MobileNetV3Small, 224),
    "mobilenet_v3_large": (A.MobileNetV3Large, 224),
    "efficientnet_b0": (A.EfficientNetB0, 224),
    "efficientnet_v2_b0": (A.EfficientNetV2B0, 224),
    "resnet50": (A.ResNet50, 224),
    "densenet121": (A.DenseNet121, 224),
    "nasnet_mobile": (A.NASNetMobile, 224),
    "inception_v3": (A.InceptionV3, 299),
    "xception": (A.Xception, 299),
    "convnext_tiny": (A.ConvNeXtTiny, 224),
    "mobilenet_v1_050": (partial(A.MobileNet, alpha=0.5), 192),
    "mobilenet_v2_050": (partial(A.MobileNetV2, alpha=0.5), 160),
    "mobilenet_v2_140": (partial(A.MobileNetV2, alpha=1.4), 224),
    "mobilenet_v3_large_075": (partial(A.MobileNetV3Large, alpha=0.75), 224),
    "mobilenet_v3_large_minimal": (partial(A.MobileNetV3Large, minimalistic=True), 224),
    "resnet50_v2": (A.ResNet50V2, 224),
    "efficientnet_b1": (A.EfficientNetB1, 240),
}


def converter(model, side):
    """A converter of the model as a function of one image, its weights constants."""
    call = tf.function(lambda x: model(x, training=False))
    call = call.get_concrete_function(tf.TensorSpec([1, side, side, 3], tf.float32, name="image"))
    return tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(call)])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--only", help="comma-separated names", default=",".join(n for n in NETWORKS if n != "tiny"))
    o = p.parse_args()
    o.folder.mkdir(parents=True, exist_ok=True)
    for name in o.only.split(","):
        make, side = NETWORKS[name]
        tf.keras.utils.set_random_seed(1)
        model = make(weights=None, input_shape=(side, side, 3))
        images = np.random.default_rng(1).uniform(-1, 1, (4, 1, side, side, 3)).astype(np.float32)
        for suffix in ("", ".int8", ".dyn") if name == "tiny" else ("", ".int8"):
            c = converter(model, side)
            if suffix:
                c.optimizations = [tf.lite.Optimize.DEFAULT]
            if suffix == ".int8":
                c.representative_dataset = lambda: ([image] for image in images)
                c.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
                c.inference_input_type = c.inference_output_type = tf.int8
            path = o.folder / f"{name}{suffix}.tflite"
            path.write_bytes(c.convert())
            print(path, path.stat().st_size, flush=True)


if __name__ == "__main__":
    main()
