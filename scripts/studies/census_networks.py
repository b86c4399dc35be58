#!/usr/bin/env python3
"""Makes benchmarks/census/census.jsonl.gz: what public networks are made of.

    python3 scripts/studies/census_networks.py [-o census.jsonl.gz] [--precisions fp32,int8] [--only FAMILY,…] [--most N] [--keep DIR]

Exports the networks below with random weights (torchvision, timm, and cells and
supernets written here), quantises each (static int8, QDQ, per channel) where --precisions
asks for it, and has bin/costgen census read the kernels that ONNX Runtime runs them as.
The models are deleted again, unless --keep names a folder for them. A network that
does not export, or that the reader cannot read whole, is said on stderr.

Wants torch, torchvision, timm, onnx, onnxscript and onnxruntime, and bin/costgen (make build).
"""

import argparse
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch  # noqa: E402

import export_models  # noqa: E402

nn = torch.nn
GOOGLENET = {"aux_logits": False, "init_weights": False}


class NasBench201(nn.Module):
    """A network of NAS-Bench-201 (Dong and Yang, ICLR 2020): three stages of five cells of
    one genotype, drawn by the seed, 16 channels on 32×32."""

    def __init__(self, seed):
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        # Operations of the six edges: none, skip, 1×1, 3×3, average pool.
        edges = torch.randint(0, 5, (6,), generator=g).tolist()
        edges[3] = max(edges[3], 1)  # the edge from the cell's input to its output

        def conv(i, o, k, s=1):
            return nn.Sequential(nn.ReLU(), nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o))

        def op(kind, c):
            return [None, nn.Identity(), conv(c, c, 1), conv(c, c, 3), nn.AvgPool2d(3, 1, 1, count_include_pad=False)][kind]

        class Cell(nn.Module):
            def __init__(self, c):
                super().__init__()
                self.ops = nn.ModuleList([op(k, c) if k else nn.Identity() for k in edges])

            def forward(self, x):
                nodes = [x]
                for to, (lo, n) in enumerate(((0, 1), (1, 2), (3, 3)), 1):
                    parts = [self.ops[lo + i](nodes[i]) for i in range(n) if edges[lo + i]]
                    nodes.append(sum(parts[1:], parts[0]) if parts else nodes[to - 1])
                return nodes[-1]

        class Reduce(nn.Module):
            def __init__(self, i, o):
                super().__init__()
                self.a, self.b = conv(i, o, 3, 2), conv(o, o, 3)
                self.down = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(i, o, 1, bias=False))

            def forward(self, x):
                return self.b(self.a(x)) + self.down(x)

        body = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)]
        for i, c in enumerate((16, 32, 64)):
            body += ([Reduce(c // 2, c)] if i else []) + [Cell(c) for _ in range(5)]
        self.body = nn.Sequential(*body, nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x):
        return self.body(x)


class Supernet(nn.Module):
    """A network of the space of ProxylessNAS (Cai et al., ICLR 2019), or with se of
    Once-for-All's MobileNetV3 space (ICLR 2020): kernel sizes, expansions, depths and the
    width are drawn by the seed."""

    def __init__(self, seed, se=False):
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        draw = lambda of: of[int(torch.randint(0, len(of), (1,), generator=g))]
        w = draw((0.75, 1.0, 1.3))
        wide = lambda c: max(8, int(c * w + 4) // 8 * 8)

        def act(late):
            return nn.Hardswish() if se and late else (nn.ReLU() if se else nn.ReLU6())

        class Squeeze(nn.Module):
            def __init__(self, c):
                super().__init__()
                m = max(8, (c // 4 + 4) // 8 * 8)
                self.f = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, m, 1), nn.ReLU(), nn.Conv2d(m, c, 1), nn.Hardsigmoid())

            def forward(self, x):
                return x * self.f(x)

        class MBConv(nn.Module):
            def __init__(self, i, o, k, s, e, late):
                super().__init__()
                m = i * e
                layers = [] if e == 1 else [nn.Conv2d(i, m, 1, bias=False), nn.BatchNorm2d(m), act(late)]
                layers += [nn.Conv2d(m, m, k, s, k // 2, groups=m, bias=False), nn.BatchNorm2d(m), act(late)]
                layers += [Squeeze(m)] if se and late else []
                self.f = nn.Sequential(*layers, nn.Conv2d(m, o, 1, bias=False), nn.BatchNorm2d(o))
                self.res = s == 1 and i == o

            def forward(self, x):
                return x + self.f(x) if self.res else self.f(x)

        c = wide(32 if not se else 16)
        body = [nn.Conv2d(3, c, 3, 2, 1, bias=False), nn.BatchNorm2d(c), act(True), MBConv(c, wide(16), 3, 1, 1, False)]
        c = wide(16)
        for i, (o, s) in enumerate(((24, 2), (40, 2), (80, 2), (96 if not se else 112, 1), (192 if not se else 160, 2), (320 if not se else 160, 1))):
            for d in range(draw((2, 3, 4)) if i < 5 else 1):
                body.append(MBConv(c, wide(o), draw((3, 5, 7)), s if d == 0 else 1, draw((3, 4, 6)), i >= 2))
                c = wide(o)
        head = wide(1280)
        body += [nn.Conv2d(c, head, 1, bias=False), nn.BatchNorm2d(head), act(True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(head, 1000)]
        self.body = nn.Sequential(*body)

    def forward(self, x):
        return self.body(x)


def timm(*names, side=224, **args):
    return [(n, "timm", n, side, args) for n in names]


def tv(*names, side=224, **args):
    return [(n, "tv", n, side, args) for n in names]


def own(name, make, side, seeds):
    return [(f"{name}_{s}", make, s, side, {}) for s in seeds]


# Networks of one family share blocks: what was measured of one tells of the others.
FAMILIES = {
    "mobilenetv1": timm("mobilenetv1_100", "mobilenetv1_125"),
    "mobilenetv2": tv("mobilenet_v2") + timm("mobilenetv2_050", "mobilenetv2_140"),
    "mobilenetv3": tv("mobilenet_v3_large", "mobilenet_v3_small") + timm("mobilenetv3_large_075", "mobilenetv3_small_050")
    + [("lraspp_mobilenet_v3", "seg", "lraspp_mobilenet_v3_large", 320, {"weights_backbone": None})],
    "mobilenetv4": timm("mobilenetv4_conv_small", "mobilenetv4_conv_medium", "mobilenetv4_hybrid_medium"),
    "edgetpu": timm("mobilenet_edgetpu_100", "mobilenet_edgetpu_v2_xs", "mobilenet_edgetpu_v2_s", "efficientnet_es"),
    "efficientnet": tv("efficientnet_b0", "efficientnet_b1") + timm("tf_efficientnet_lite0", "tf_efficientnet_lite2", "tinynet_a", "tinynet_e")
    + timm("tf_efficientnetv2_b0", side=192),
    "mnasnet": tv("mnasnet0_5", "mnasnet1_0", "mnasnet1_3") + timm("mnasnet_small", "semnasnet_100"),
    "proxyless": own("proxyless", lambda s: Supernet(s), 224, range(4)) + own("proxyless160", lambda s: Supernet(s), 160, range(4, 6)),
    "ofa": own("ofa", lambda s: Supernet(s, True), 224, range(10, 13)) + own("ofa176", lambda s: Supernet(s, True), 176, range(13, 15)),
    "fbnet": timm("fbnetc_100") + timm("fbnetv3_b", side=256),
    "spnasnet": timm("spnasnet_100"),
    "hardcorenas": timm("hardcorenas_a", "hardcorenas_f"),
    "mixnet": timm("mixnet_s", "mixnet_m"),
    "lcnet": timm("lcnet_035", "lcnet_050", "lcnet_100", "lcnet_150"),
    "rexnet": timm("rexnet_100", "rexnet_130"),
    "ghostnet": timm("ghostnet_050", "ghostnet_100", "ghostnetv2_100"),
    "shufflenet": tv("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
    "squeezenet": tv("squeezenet1_0", "squeezenet1_1"),
    "regnet": tv("regnet_y_400mf", "regnet_x_400mf", "regnet_x_800mf", "regnet_y_1_6gf") + timm("regnetx_002"),
    "resnet": tv("resnet18", "resnet34", "resnet50", "resnext50_32x4d") + timm("resnet26d", "seresnet50", "skresnet18"),
    "res2net": timm("res2net50_26w_4s", "res2net50_14w_8s"),
    "resnest": timm("resnest14d", "resnest26d"),
    "densenet": tv("densenet121", "densenet161"),
    "dla": timm("dla34", "dla46_c", "dla60x_c"),
    "dpn": timm("dpn48b", "dpn68"),
    "vovnet": timm("ese_vovnet19b_dw", "ese_vovnet19b_slim", "vovnet39a"),
    "selecsls": timm("selecsls42b", "selecsls60"),
    "hgnet": timm("hgnetv2_b0", "hgnetv2_b2"),
    "hrnet": timm("hrnet_w18_small"),
    "csp": timm("cspdarknet53", "cspresnet50", side=256),
    "darknet": timm("darknet17", "darknetaa53", side=256),
    "vgg": tv("vgg11_bn", "vgg16", "alexnet"),
    "inception": tv("googlenet", **GOOGLENET) + tv("inception_v3", side=299, **GOOGLENET) + timm("inception_v4", side=299),
    "repvgg": timm("repvgg_a0", "repvgg_b0"),
    "mobileone": timm("mobileone_s0", "mobileone_s2"),
    "nasbench201": own("nasbench201", NasBench201, 32, range(6)),
    "convnext": timm("convnext_atto", "convnext_nano", "convnextv2_atto"),
    "convmixer": timm("convmixer_1024_20_ks9_p14"),
    "inceptionnext": timm("inception_next_atto"),
    "starnet": timm("starnet_s1", "starnet_s3"),
    "vit": timm("vit_tiny_patch16_224", "vit_small_patch32_224", "vit_small_patch16_224", "deit_tiny_patch16_224", "deit_small_patch16_224", "cait_xxs24_224"),
    "swin": timm("swin_tiny_patch4_window7_224") + timm("swinv2_tiny_window8_256", side=256),
    "mobilevit": timm("mobilevit_xxs", "mobilevit_xs", "mobilevitv2_050", "mobilevitv2_100", side=256),
    "efficientformer": timm("efficientformer_l1", "efficientformerv2_s0"),
    "edgenext": timm("edgenext_xx_small", "edgenext_x_small", side=256),
    "fastvit": timm("fastvit_t8", "fastvit_sa12", side=256),
    "repvit": timm("repvit_m1", "repvit_m1_5"),
    "efficientvit": timm("efficientvit_b0", "efficientvit_b1", "efficientvit_m0", "efficientvit_m3"),
    "tinyvit": timm("tiny_vit_5m_224"),
    "levit": timm("levit_128s", "levit_192"),
    "pvt": timm("pvt_v2_b0", "pvt_v2_b1"),
    "twins": timm("twins_pcpvt_small", "twins_svt_small"),
    "xcit": timm("xcit_nano_12_p16_224", "xcit_tiny_12_p16_224"),
    "coat": timm("coat_tiny", "coat_lite_tiny", "coatnet_pico_rw_224"),
    "poolformer": timm("poolformer_s12", "poolformerv2_s12"),
    "mixer": timm("mixer_s32_224", "mixer_s16_224", "gmlp_ti16_224", "gmlp_s16_224", "resmlp_12_224"),
    "pit": timm("pit_ti_224", "pit_xs_224"),
    "visformer": timm("visformer_tiny"),
    "focalnet": timm("focalnet_tiny_srf"),
    "crossvit": timm("crossvit_tiny_240", side=240),
    "maxvit": timm("maxvit_pico_rw_256", side=256),
    "shvit": timm("shvit_s1", "shvit_s2"),
    "swiftformer": timm("swiftformer_xs"),
    "xception": timm("legacy_xception", side=299) + timm("xception41", side=299),
}


def build(lib, ctor, args):
    if not callable(lib):
        return export_models.build(lib, ctor, args)
    torch.manual_seed(0)
    model = lib(ctor).eval()
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.running_mean, -0.1, 0.1)
            nn.init.uniform_(m.running_var, 0.5, 1.5)
    return model


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-o", "--out", default="benchmarks/census/census.jsonl.gz", help="file to write; what it holds already is kept")
    p.add_argument("--precisions", default="fp32,int8")
    p.add_argument("--only", help="these families alone, comma-separated")
    p.add_argument("--most", type=int, default=99, help="networks of a family, the first ones")
    p.add_argument("--keep", help="folder in which models are kept")
    a = p.parse_args()
    if a.only and (unknown := set(a.only.split(",")) - FAMILIES.keys()):
        p.error("no family " + ", ".join(sorted(unknown)))
    torch.set_num_threads(1)
    failed = 0
    with tempfile.TemporaryDirectory() as tmp:
        folder = a.keep or tmp
        os.makedirs(folder, exist_ok=True)
        for precision in a.precisions.split(","):
            for family in a.only.split(",") if a.only else FAMILIES:
                networks = FAMILIES[family]
                files = []
                for name, lib, ctor, side, args in networks[: a.most]:
                    script = os.path.join(folder, name + ".script.onnx")
                    path = script if precision == "fp32" else os.path.join(folder, name + ".script.qdq.onnx")
                    try:
                        if not os.path.exists(script):
                            export_models.export(build(lib, ctor, args), side, script, "script")
                        if not os.path.exists(path):
                            export_models.quantise(script, side, path, images=1)  # values decide no shape
                        files.append(path)
                    except Exception as e:  # one network that does not export is no reason to stop
                        failed += 1
                        print(f"{name} in {precision}: {type(e).__name__}: {str(e).splitlines()[0][:160] if str(e) else ''}", file=sys.stderr, flush=True)
                if files:
                    have = ["--with", a.out] if os.path.exists(a.out) else []
                    r = subprocess.run(["bin/costgen", "census", *files, "--family", family, "--precision", precision, "--dim", "N=1", *have, "-o", a.out])
                    failed += r.returncode != 0
                if not a.keep:
                    for f in os.listdir(folder):
                        os.remove(os.path.join(folder, f))
                print(f"{precision} {family}: {len(files)} networks", flush=True)
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
