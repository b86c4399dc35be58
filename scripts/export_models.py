#!/usr/bin/env python3
"""Exports test networks with random weights as ONNX: torchvision and timm, by both
of torch's exporters, and quantised (QDQ, static int8) by onnxruntime.

    python3 scripts/export_models.py -o models [--set accuracy|wide|tiny] [NAME…]

Wants torch, torchvision, timm, onnx, onnxscript and onnxruntime. Files are named
NAME.script.onnx (the TorchScript exporter, opset 17), NAME.dynamo.onnx (the newer
one, opset 18) and NAME.script.qdq.onnx. Files that exist are kept. Weights are
random (seed 0): costs depend on shapes, not on values. The models are not part of
the repository.
"""

import argparse
import os
import sys
import warnings

import numpy as np
import torch

warnings.filterwarnings("ignore")

# name → (library, constructor's name, input side, further arguments)
ACCURACY = {
    # The networks of `make accuracy`.
    "mobilenet_v1": ("timm", "mobilenetv1_100", 224, {}),
    "mobilenet_v2": ("tv", "mobilenet_v2", 224, {}),
    "mobilenet_v3_large": ("tv", "mobilenet_v3_large", 224, {}),
    "mnasnet1_0": ("tv", "mnasnet1_0", 224, {}),
    "efficientnet_lite0": ("timm", "tf_efficientnet_lite0", 224, {}),
    "resnet18": ("tv", "resnet18", 224, {}),
    "resnet50": ("tv", "resnet50", 224, {}),
    "squeezenet1_1": ("tv", "squeezenet1_1", 224, {}),
    "deit_tiny": ("timm", "deit_tiny_patch16_224", 224, {}),
    "mobilevit_xs": ("timm", "mobilevit_xs", 256, {}),
}

WIDE = {
    # One of each further family.
    "mobilenet_v3_small": ("tv", "mobilenet_v3_small", 224, {}),
    "mnasnet0_5": ("tv", "mnasnet0_5", 224, {}),
    "squeezenet1_0": ("tv", "squeezenet1_0", 224, {}),
    "shufflenet_v2_x1_0": ("tv", "shufflenet_v2_x1_0", 224, {}),
    "regnet_y_400mf": ("tv", "regnet_y_400mf", 224, {}),
    "efficientnet_b0": ("tv", "efficientnet_b0", 224, {}),
    "googlenet": ("tv", "googlenet", 224, {"aux_logits": False, "init_weights": False}),
    "densenet121": ("tv", "densenet121", 224, {}),
    "resnext50_32x4d": ("tv", "resnext50_32x4d", 224, {}),
    "vgg11_bn": ("tv", "vgg11_bn", 224, {}),
    "alexnet": ("tv", "alexnet", 224, {}),
    "convnext_atto": ("timm", "convnext_atto", 224, {}),
    "swin_tiny": ("timm", "swin_tiny_patch4_window7_224", 224, {}),
    "vit_tiny": ("timm", "vit_tiny_patch16_224", 224, {}),
    "mixer_s32": ("timm", "mixer_s32_224", 224, {}),
    "poolformer_s12": ("timm", "poolformer_s12", 224, {}),
    "efficientformer_l1": ("timm", "efficientformer_l1", 224, {}),
    "mobilevitv2_050": ("timm", "mobilevitv2_050", 256, {}),
    "edgenext_xx_small": ("timm", "edgenext_xx_small", 256, {}),
    "ghostnet_100": ("timm", "ghostnet_100", 224, {}),
    "repvgg_a0": ("timm", "repvgg_a0", 224, {}),
    "mobileone_s0": ("timm", "mobileone_s0", 224, {}),
    "fbnetc_100": ("timm", "fbnetc_100", 224, {}),
    "hardcorenas_a": ("timm", "hardcorenas_a", 224, {}),
    "levit_128s": ("timm", "levit_128s", 224, {}),
    "mobilenetv4_conv_small": ("timm", "mobilenetv4_conv_small", 224, {}),
    "efficientvit_b0": ("timm", "efficientvit_b0", 224, {}),
    "xcit_nano": ("timm", "xcit_nano_12_p16_224", 224, {}),
    "fastvit_t8": ("timm", "fastvit_t8", 256, {}),
    "res2net50_26w_4s": ("timm", "res2net50_26w_4s", 224, {}),
    "hrnet_w18_small": ("timm", "hrnet_w18_small", 224, {}),
    "cspdarknet53": ("timm", "cspdarknet53", 256, {}),
    "coatnet_pico_rw": ("timm", "coatnet_pico_rw_224", 224, {}),
}


class Tiny(torch.nn.Module):
    """A network of a few kilobytes with what the reader has to recognise."""

    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.dw = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.ReLU6())
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1), nn.Hardsigmoid())
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.proj = nn.Linear(8, 8)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.gate = nn.Linear(8, 8)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.dw(x)
        x = x * self.squeeze(x)
        x = torch.cat([self.pool(x), self.pool(x) - 0.5], 1)[:, 4:12]
        b, c, h, w = x.shape
        t = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm(t)).reshape(b, h * w, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        a = ((q * 0.5) @ k.transpose(-2, -1)).softmax(-1)
        t = t + self.proj((a @ v).transpose(1, 2).reshape(b, h * w, 8))
        t = t + self.mlp(t)
        t = torch.nn.functional.silu(self.gate(t)) * t
        return self.head(t.mean(1))


TINY = {"tiny": ("here", "Tiny", 16, {})}


def build(lib, name, args):
    torch.manual_seed(0)
    if lib == "here":
        model = Tiny()
    elif lib == "tv":
        import torchvision

        model = getattr(torchvision.models, name)(weights=None, **args)
    else:
        import timm

        model = timm.create_model(name, pretrained=False, **args)
    model.eval()
    # Batch norms with other than unit statistics cannot be folded away by accident.
    for m in model.modules():
        if isinstance(m, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(m.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(m.running_var, 0.5, 1.5)
    return model


def export(model, side, path, dynamo):
    x = torch.randn(1, 3, side, side)
    tmp = path + ".tmp"
    if dynamo:
        torch.onnx.export(model, (x,), dynamo=True, opset_version=18, verbose=False).save(tmp)
    else:
        torch.onnx.export(model, (x,), tmp, dynamo=False, opset_version=17, input_names=["input"],
                          output_names=["output"], dynamic_axes={"input": {0: "N"}, "output": {0: "N"}})
    os.replace(tmp, path)


class Images:
    """Calibration data: Gaussian images."""

    def __init__(self, name, side):
        rng = np.random.default_rng(0)
        self.items = iter([{name: rng.standard_normal((1, 3, side, side), dtype=np.float32)} for _ in range(4)])

    def get_next(self):
        return next(self.items, None)


def quantise(src, side, dst):
    import onnx
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    pre = dst + ".pre"
    quant_pre_process(src, pre, skip_symbolic_shape=True)
    name = onnx.load(pre, load_external_data=False).graph.input[0].name
    q.quantize_static(pre, dst + ".tmp", Images(name, side), quant_format=q.QuantFormat.QDQ, per_channel=True,
                      activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8)
    os.replace(dst + ".tmp", dst)
    os.remove(pre)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-o", "--out", required=True)
    p.add_argument("--set", default="accuracy", choices=["accuracy", "wide", "tiny"])
    p.add_argument("--forms", default="script,dynamo,qdq")
    p.add_argument("names", nargs="*")
    a = p.parse_args()
    nets = dict(ACCURACY)
    if a.set == "tiny":
        nets = dict(TINY)
    elif a.set == "wide" or a.names:
        nets.update(WIDE)
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(1)
    failed = 0
    for name, (lib, ctor, side, args) in nets.items():
        if a.names and name not in a.names:
            continue
        forms = {f: os.path.join(a.out, name + ext) for f, ext in
                 (("script", ".script.onnx"), ("dynamo", ".dynamo.onnx"), ("qdq", ".script.qdq.onnx"))
                 if f in a.forms.split(",")}
        for form, path in forms.items():
            if os.path.exists(path):
                continue
            try:
                if form == "qdq":
                    quantise(os.path.join(a.out, name + ".script.onnx"), side, path)
                else:
                    export(build(lib, ctor, args), side, path, form == "dynamo")
                print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB", flush=True)
            except Exception as e:  # one network that does not export is no reason to stop
                failed += 1
                print(f"{path}: {type(e).__name__}: {str(e).splitlines()[0][:200] if str(e) else ''}", flush=True)
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
