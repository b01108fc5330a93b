"""SoundStorm's network in nano's size, with the tensor names of AnyGPT's checkpoint.

A conformer (Gulati et al. 2020) over frames: the embeddings of a frame's seven acoustic codes and
of its semantic code are summed, and each level has its own head (Borsos et al. 2023).
"""

import torch
import torch.nn.functional as F
from torch import nn

CONFIG = {
    "dim": 128, "depth": 3, "heads": 4, "dim_head": 32, "ff_mult": 4, "conv_expansion_factor": 2, "conv_kernel_size": 31,
    "num_quantizers": 7, "codebook_size": 512,
}  # fmt: skip


class Named(nn.Module):
    """Parts under the names that they have in the checkpoint."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def feed_forward(c):
    dim, inner = c["dim"], c["dim"] * c["ff_mult"]
    net = nn.Sequential(nn.Linear(dim, inner), nn.SiLU(), nn.Identity(), nn.Linear(inner, dim))
    return Named(fn=Named(norm=nn.LayerNorm(dim), fn=Named(net=net)))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        dim, inner, wide = c["dim"], c["heads"] * c["dim_head"], c["dim"] * c["conv_expansion_factor"]
        self.c = c
        self.ff1, self.ff2 = feed_forward(c), feed_forward(c)
        self.attn = Named(
            norm=nn.LayerNorm(dim),
            fn=Named(to_q=nn.Linear(dim, inner, bias=False), to_kv=nn.Linear(dim, 2 * inner, bias=False), to_out=nn.Linear(inner, dim)),
        )
        scale = nn.Module()
        scale.gamma = nn.Parameter(torch.ones(1, wide, 1))
        self.conv = Named(
            net1=nn.Sequential(nn.LayerNorm(dim), nn.Identity(), nn.Conv1d(dim, 2 * wide, 1)),
            ds_conv=Named(conv=nn.Conv1d(wide, wide, c["conv_kernel_size"], groups=wide)),
            net2=nn.Sequential(nn.SiLU(), scale, nn.Conv1d(wide, dim, 1)),
        )
        self.post_norm = nn.LayerNorm(dim)

    def attend(self, x, rotation):
        b, n, _ = x.shape
        fn = self.attn.fn
        x = self.attn.norm(x)
        heads = lambda t: t.view(b, n, self.c["heads"], -1).transpose(1, 2)
        q, (k, v) = heads(fn.to_q(x)), map(heads, fn.to_kv(x).chunk(2, -1))
        turn = lambda t: t * rotation[0] + torch.cat([-t[..., t.shape[-1] // 2 :], t[..., : t.shape[-1] // 2]], -1) * rotation[1]
        y = F.scaled_dot_product_attention(turn(q), turn(k), v)
        return fn.to_out(y.transpose(1, 2).reshape(b, n, -1))

    def convolve(self, x):
        norm, _, widen = self.conv.net1
        y = F.glu(widen(norm(x).transpose(1, 2)), 1)
        kernel = self.c["conv_kernel_size"]
        y = self.conv.ds_conv.conv(F.pad(y, (kernel // 2, kernel // 2 - (kernel + 1) % 2)))
        swish, scale, narrow = self.conv.net2
        y = swish(y)
        y = (y - y.mean(1, keepdim=True)) * y.var(1, unbiased=False, keepdim=True).clamp(min=1e-6).rsqrt() * scale.gamma
        return narrow(y).transpose(1, 2)

    def forward(self, x, rotation):
        half = lambda ff, x: 0.5 * ff.fn.fn.net(ff.fn.norm(x))
        x = x + half(self.ff1, x)
        x = x + self.attend(x, rotation)
        x = x + self.convolve(x)
        x = x + half(self.ff2, x)
        return self.post_norm(x)


class SoundStorm(nn.Module):
    def __init__(self, c=CONFIG):
        super().__init__()
        dim, levels, size = c["dim"], c["num_quantizers"], c["codebook_size"]
        self.c = c
        self.semantic_token_emb = nn.Embedding(size, dim)
        mix = nn.Module()
        mix.weight = nn.Parameter(torch.randn(levels, dim, size) / dim**0.5)
        mix.bias = nn.Parameter(torch.zeros(levels, size))
        self.net = Named(
            code_embeds=nn.Embedding(levels * (size + 1), dim),
            conformer=Named(layers=nn.ModuleList([Block(c) for _ in range(c["depth"])])),
            heads=nn.Sequential(nn.Linear(dim, dim * levels)),
            to_logits=nn.Sequential(nn.LayerNorm(dim), nn.Identity(), mix),
        )
        for table in [self.semantic_token_emb, self.net.code_embeds]:
            nn.init.normal_(table.weight, std=0.3)

    def forward(self, semantic, acoustic, levels=None):
        """(b, n) codes and (b, n, 7) codes, of which those equal to the codebook's size are masked → (b, n, 7, size) logits

        With `levels`, one for each of b, only that level's: (b, n, size).
        """
        c = self.c
        b, n = semantic.shape
        offsets = torch.arange(c["num_quantizers"]) * (c["codebook_size"] + 1)
        x = self.net.code_embeds(acoustic + offsets).sum(2) + self.semantic_token_emb(semantic)
        angles = torch.arange(n)[:, None] * 10000.0 ** (-torch.arange(0, c["dim_head"], 2) / c["dim_head"])
        angles = torch.cat([angles, angles], -1)
        for block in self.net.conformer.layers:
            x = block(x, (angles.cos(), angles.sin()))
        norm, _, mix = self.net.to_logits
        heads = norm(self.net.heads(x).view(b, n, c["num_quantizers"], c["dim"]))
        if levels is not None:
            rows = torch.arange(b)
            return torch.baddbmm(mix.bias[levels][:, None].to(heads), heads[rows, :, levels], mix.weight[levels].to(heads))
        return torch.einsum("bngd,gdl->bngl", heads, mix.weight) + mix.bias
