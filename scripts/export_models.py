#!/usr/bin/env python3
"""Exports test networks with random weights as ONNX: torchvision and timm, by both
of torch's exporters, and quantised (QDQ, static int8) by onnxruntime.

    python3 scripts/export_models.py -o models [--set accuracy|wide|other|judges|tiny] [--forms script,dynamo,qdq] [NAME…]

Wants torch, torchvision, timm, onnx, onnxscript and onnxruntime. Files are named
NAME.FORM.onnx, the forms being

    script       the TorchScript exporter, opset 17, batch symbolic
    script11…16  the same in an older opset
    dynamo       the newer exporter, opset 18
    dynamo21     the same in opset 21, batch symbolic, weights in NAME.dynamo21.onnx.data
    qdq          NAME.script.qdq.onnx: script quantised to static int8 by onnxruntime
    dyn          NAME.script.dyn.onnx: script quantised to dynamic int8

Files that exist are kept. Weights are random (seed 0): costs depend on shapes, not
on values. The models are not part of the repository.
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

OTHER = {
    # Families that the reader's rules were not written against: what it does with
    # the next network somebody brings.
    "pvt_v2_b0": ("timm", "pvt_v2_b0", 224, {}),
    "regnetx_004": ("timm", "regnetx_004", 224, {}),
    "resnest14d": ("timm", "resnest14d", 224, {}),
    "tinynet_e": ("timm", "tinynet_e", 224, {}),
    "maxvit_pico_rw": ("timm", "maxvit_pico_rw_256", 256, {}),
    "eva02_tiny": ("timm", "eva02_tiny_patch14_224", 224, {}),
    "crossvit_tiny": ("timm", "crossvit_tiny_240", 240, {}),
    "nf_regnet_b0": ("timm", "nf_regnet_b0", 192, {}),
    "mobilenetv4_hybrid": ("timm", "mobilenetv4_hybrid_medium", 224, {}),
    "swinv2_tiny": ("timm", "swinv2_tiny_window8_256", 256, {}),
    "twins_pcpvt_small": ("timm", "twins_pcpvt_small", 224, {}),
    "cait_xxs24": ("timm", "cait_xxs24_224", 224, {}),
    "repvit_m1": ("timm", "repvit_m1", 224, {}),
    "rexnet_100": ("timm", "rexnet_100", 224, {}),
    "ese_vovnet19b_dw": ("timm", "ese_vovnet19b_dw", 224, {}),
    "hgnetv2_b0": ("timm", "hgnetv2_b0", 224, {}),
    "lcnet_050": ("timm", "lcnet_050", 224, {}),
    "gmlp_s16": ("timm", "gmlp_s16_224", 224, {}),
    "visformer_tiny": ("timm", "visformer_tiny", 224, {}),
    "volo_d1": ("timm", "volo_d1_224", 224, {}),
    "focalnet_tiny": ("timm", "focalnet_tiny_srf", 224, {}),
    "coat_tiny": ("timm", "coat_tiny", 224, {}),
    "convit_tiny": ("timm", "convit_tiny", 224, {}),
    "pit_ti": ("timm", "pit_ti_224", 224, {}),
    "efficientvit_m0": ("timm", "efficientvit_m0", 224, {}),
    "starnet_s1": ("timm", "starnet_s1", 224, {}),
    "tiny_vit_5m": ("timm", "tiny_vit_5m_224", 224, {}),
    "tf_efficientnetv2_b0": ("timm", "tf_efficientnetv2_b0", 192, {}),
    "halonet26t": ("timm", "halonet26t", 256, {}),
    "sequencer2d_s": ("timm", "sequencer2d_s", 224, {}),
    "inception_v3": ("tv", "inception_v3", 299, {"aux_logits": False, "init_weights": False}),
    "lraspp_mobilenet_v3": ("seg", "lraspp_mobilenet_v3_large", 320, {"weights_backbone": None}),
    "deeplabv3_mobilenet_v3": ("seg", "deeplabv3_mobilenet_v3_large", 320, {"weights_backbone": None}),
    "ssdlite320": ("det", "ssdlite320_mobilenet_v3_large", 320, {"weights_backbone": None}),
    "beit_base": ("timm", "beit_base_patch16_224", 224, {}),
}

JUDGES = {
    # Families of which neither the census nor anyone who worked on the reader and the model of a
    # device knew anything: they judge tables beside the known ones.
    "fasternet_t0": ("timm", "fasternet_t0", 224, {}),
    "gernet_s": ("timm", "gernet_s", 224, {}),
    "mambaout_femto": ("timm", "mambaout_femto", 224, {}),
    "iformer_t": ("timm", "iformer_t", 224, {}),
    "lowformer_b0": ("timm", "lowformer_b0", 224, {}),
    "cpubone_nano": ("timm", "cpubone_nano", 224, {}),
    "efficientvim_m1": ("timm", "efficientvim_m1", 224, {}),
    "rdnet_tiny": ("timm", "rdnet_tiny", 224, {}),
    "nextvit_small": ("timm", "nextvit_small", 224, {}),
    "gcvit_xxtiny": ("timm", "gcvit_xxtiny", 224, {}),
    "botnet26t": ("timm", "botnet26t_256", 256, {}),
    "convformer_s18": ("timm", "convformer_s18", 224, {}),
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


class Odd(torch.nn.Module):
    """What is rarer: moving windows, group and instance norms, reductions over inner
    axes, unequal cuts, pixel shuffles, transposed convolutions, sizes that are no
    multiples."""

    def __init__(self):
        super().__init__()
        nn = torch.nn
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.GroupNorm(2, 8), nn.Mish())
        self.up = nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=1, groups=2)
        self.inst = nn.InstanceNorm2d(8, affine=True)
        self.act = nn.ModuleList([nn.ELU(), nn.Softplus(), nn.LeakyReLU(0.1), nn.PReLU(8), nn.GELU(approximate="tanh"), nn.Hardtanh(-2, 2)])
        self.shuffle = nn.PixelShuffle(2)
        self.last = nn.Conv2d(2, 4, 1)
        self.q = nn.Linear(4, 12)

    def forward(self, x):
        f = torch.nn.functional
        x = self.inst(self.up(self.stem(x)))
        for act in self.act:
            x = act(x)
        x = torch.roll(x, (-2, -2), (2, 3))
        a, b, c = torch.split(x, [3, 4, 1], 1)
        x = torch.cat([a, b * c, c], 1)
        s = x.reshape(1, 2, 4, 16, 16).sum(1).mean((2, 3)).softmax(1).reshape(1, 4, 1, 1)
        x = f.interpolate(x, size=(7, 9), mode="bilinear") * (x.amax((2, 3), keepdim=True) + s.repeat(1, 2, 1, 1))
        x = f.interpolate(x, scale_factor=2, mode="bicubic")
        x = self.last(self.shuffle(x))
        t = x.flatten(2).transpose(1, 2)
        t = f.normalize(self.q(t), dim=-1).softmax(1)
        t = torch.einsum("bij,bkj->bik", t[:, :20], t[:, 20:40])
        return torch.minimum(t.abs().sqrt(), (t * t + 1).log()).pow(1.5).amin(-1) - torch.cos(t).prod(-1)


TINY = {"tiny": ("here", "Tiny", 16, {}), "odd": ("here", "Odd", 16, {})}


class OneOutput(torch.nn.Module):
    """A segmentation network, whose result is a dictionary, as one of a tensor."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)["out"]


def build(lib, name, args):
    torch.manual_seed(0)
    if lib == "here":
        model = globals()[name]()
    elif lib in ("tv", "seg", "det"):
        import torchvision

        where = {"tv": torchvision.models, "seg": torchvision.models.segmentation, "det": torchvision.models.detection}[lib]
        model = getattr(where, name)(weights=None, **args)
        if lib == "seg":
            model = OneOutput(model)
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


def export(model, side, path, form):
    x = torch.randn(1, 3, side, side)
    tmp = path + ".tmp"
    opset = form.removeprefix("dynamo").removeprefix("script")
    if form == "dynamo21":
        # A batch of 2: the exporter takes a dimension of 1 for a constant. The weights'
        # file is named in the model, so it is not renamed.
        program = torch.onnx.export(model, (torch.randn(2, 3, side, side),), dynamo=True, opset_version=21, verbose=False,
                                    dynamic_shapes=({0: torch.export.Dim("N")},))
        program.save(path, external_data=True)
        return
    if form.startswith("dynamo"):
        torch.onnx.export(model, (x,), dynamo=True, opset_version=int(opset or 18), verbose=False).save(tmp)
    else:
        torch.onnx.export(model, (x,), tmp, dynamo=False, opset_version=int(opset or 17), input_names=["input"],
                          output_names=["output"], dynamic_axes={"input": {0: "N"}, "output": {0: "N"}})
    if form.startswith("dynamo"):
        without_traces(tmp)
    os.replace(tmp, path)


def without_traces(path):
    """The newer exporter notes at each node where in whose files it was called: of no use to a reader."""
    import onnx

    m = onnx.load(path)
    for x in [*m.graph.node, *m.graph.input, *m.graph.output, *m.graph.value_info, *m.graph.initializer]:
        x.ClearField("metadata_props")
    onnx.save(m, path)


class Images:
    """Calibration data: Gaussian images."""

    def __init__(self, name, side, count):
        rng = np.random.default_rng(0)
        self.items = iter([{name: rng.standard_normal((1, 3, side, side), dtype=np.float32)} for _ in range(count)])

    def get_next(self):
        return next(self.items, None)


def quantise(src, side, dst, images=4):
    import onnx
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    pre = dst + ".pre"
    quant_pre_process(src, pre, skip_symbolic_shape=True)
    name = onnx.load(pre, load_external_data=False).graph.input[0].name
    q.quantize_static(pre, dst + ".tmp", Images(name, side, images), quant_format=q.QuantFormat.QDQ, per_channel=True,
                      activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8)
    os.replace(dst + ".tmp", dst)
    os.remove(pre)


def quantise_dynamic(src, dst):
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    pre = dst + ".pre"
    quant_pre_process(src, pre, skip_symbolic_shape=True)
    q.quantize_dynamic(pre, dst + ".tmp", per_channel=True, weight_type=q.QuantType.QInt8)
    os.replace(dst + ".tmp", dst)
    os.remove(pre)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-o", "--out", required=True)
    p.add_argument("--set", default="accuracy", choices=["accuracy", "wide", "other", "judges", "tiny"])
    p.add_argument("--forms", default="script,dynamo,qdq", help="comma-separated; see above")
    p.add_argument("names", nargs="*")
    a = p.parse_args()
    nets = dict(ACCURACY)
    if a.set == "tiny":
        nets = dict(TINY)
    elif a.set == "other":
        nets = dict(OTHER)
    elif a.set == "judges":
        nets = dict(JUDGES)
    elif a.set == "wide" or a.names:
        nets.update(WIDE)
        if a.names:
            nets.update(OTHER)
            nets.update(JUDGES)
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(1)
    failed = 0
    for name, (lib, ctor, side, args) in nets.items():
        if a.names and name not in a.names:
            continue
        script = os.path.join(a.out, name + ".script.onnx")
        for form in a.forms.split(","):
            path = os.path.join(a.out, f"{name}.{'script.' if form in ('qdq', 'dyn') else ''}{form}.onnx")
            if os.path.exists(path):
                continue
            try:
                if form == "qdq":
                    quantise(script, side, path)
                elif form == "dyn":
                    quantise_dynamic(script, path)
                else:
                    export(build(lib, ctor, args), side, path, form)
                print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB", flush=True)
            except Exception as e:  # one network that does not export is no reason to stop
                failed += 1
                print(f"{path}: {type(e).__name__}: {str(e).splitlines()[0][:200] if str(e) else ''}", flush=True)
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
