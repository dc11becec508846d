"""Drawings of networks in layers.

Notebook: 02-fnn-gradcheck, 04-autoencoder-vae.
"""

from __future__ import annotations

from helpers.diagrams.kit import FAINT, INK, LETTER, PAPER, SIZE, SMALL, Drawing, Sheet, tint
from helpers.figures import PALETTE

COLOR, MAP = PALETTE["network"], PALETTE["VAE"]


def one_row() -> Drawing:
    """A one-hot row times a matrix is a row of the matrix, (2.1).

    Notebook: 02-fnn-gradcheck.
    """
    sheet, cell, m, a, base = Sheet(140), 15, 6, 2, 27
    lefts = {"x": 12, "W": 134, "row": 256}
    middle = base + m * cell / 2
    for k in range(m):
        sheet.box(lefts["x"] + (k + 0.5) * cell, middle, cell, cell, COLOR if k == a else PAPER, 0, linewidth=0.8)
        sheet.text(lefts["x"] + (k + 0.5) * cell, middle, str(int(k == a)), SMALL, color=PAPER if k == a else INK)
        sheet.box(lefts["row"] + (k + 0.5) * cell, middle, cell, cell, tint(COLOR, 0.45), 0, linewidth=0.8)
        for row in range(m):
            y = base + (m - row - 0.5) * cell
            sheet.box(
                lefts["W"] + (k + 0.5) * cell, y, cell, cell, tint(COLOR, 0.45) if row == a else PAPER, 0, linewidth=0.8
            )
    for x, sign in ((118, "\\cdot"), (240, "=")):
        sheet.letter(x, middle, sign, 17)
    for name, tex, shape in (("x", "\\mathbf{x}", "(1, m)"), ("W", "W", "(m, m)"), ("row", "W_a", "(1, m)")):
        x = lefts[name] + m * cell / 2
        half = m * cell / 2 if name == "W" else cell / 2
        sheet.letter(x, middle + half + 13, tex, LETTER + 1)
        sheet.letter(x, middle - half - 14, shape, SIZE + 1)
    sheet.letter(lefts["W"] - 7, base + (m - a - 0.5) * cell, "a", SIZE + 1)
    return sheet.finish(
        "A one-hot row times a matrix. The row x of shape (1, m) has a single 1, at place a; the matrix W has shape "
        "(m, m) and its row a is filled; their product is this row, W a, of shape (1, m)."
    )


def feedforward(t: int | None = None, d: int | None = None, h: int | None = None, m: int | None = None) -> Drawing:
    """The network that looks back t notes, with its shapes, in the letters of (2.14) and (2.15).

    Args:
        t, d, h, m: the numbers of notes, of numbers in an embedding, of hidden units, and of symbols; the letter
            stands alone where there is none.

    Notebook: 02-fnn-gradcheck.
    """
    low = 14 if t or d or h or m else 32
    sheet, middle = Sheet(250 - low, low), 146
    xs = {"x": 24, "e": 98, "h": 182, "o": 262, "s": 336}
    for k, (name, y) in enumerate((("x_1", 206), ("x_2", 172), ("x_t", 86))):
        sheet.box(xs["x"], y, 30, 24, PAPER)
        sheet.text(xs["x"], y, f"${name}$", LETTER)
        sheet.way([(39, y), (81, y)])
        sheet.letter(58, y + 1, "C", SIZE + 1)
        sheet.box(xs["e"], y, 30, 34, tint(COLOR, 0.5 - 0.14 * k), 0)
        sheet.text(xs["e"], y, f"$C_{{{name}}}$", LETTER)
    sheet.box(xs["e"], 129, 30, 52, PAPER, 0)
    for x in (xs["x"], xs["e"]):
        sheet.text(x, 129, "$\\vdots$", LETTER)
    for name, high, label in (("h", 88, "tanh"), ("o", 132, ""), ("s", 132, "")):
        sheet.box(xs[name], middle, 34 if label else 24, high, tint(COLOR), 3)
        sheet.text(xs[name], middle, label, SIZE)
    for here, there, over, under in (
        ("e", "h", "U", "+\\,\\mathbf{b}"),
        ("h", "o", "V", "+\\,\\mathbf{c}"),
        ("o", "s", "", ""),
    ):
        begin, end = (
            xs[here] + (15 if here == "e" else 17 if here == "h" else 12),
            xs[there] - (18 if there == "h" else 13),
        )
        sheet.way([(begin, middle), (end, middle)])
        for y, tex in ((middle + 13, over), (middle - 12, under)):
            if tex:
                sheet.letter((begin + end) / 2, y, tex)
    sheet.text((xs["o"] + xs["s"]) / 2, middle + 12, "softmax", SMALL)
    return _shapes(sheet, xs, {"t": t, "d": d, "h": h, "m": m})


def _shapes(sheet: Sheet, xs, numbers) -> Drawing:
    """Letters above the layers, numbers of units below them."""
    for name, tex in (("e", "\\mathbf{e}"), ("h", "\\mathbf{h}"), ("o", "\\mathbf{o}"), ("s", "\\sigma(\\mathbf{o})")):
        sheet.letter(xs[name], 236, tex)
    t, d, h, m = numbers.values()
    rows = {"x": ("t", t), "e": ("t\\cdot d", t and d and t * d), "h": ("h", h), "o": ("m", m), "s": ("m", m)}
    for name, (tex, number) in rows.items():
        sheet.letter(xs[name], 44, tex)
        if number:
            sheet.text(xs[name], 24, f"{number}", SIZE)
    known = ", ".join(f"{name} is {number}" for name, number in numbers.items() if number)
    return sheet.finish(
        "The network that looks back. The symbols x 1 to x t are looked up in C; their embeddings, d numbers each, "
        "stand end to end as e, t times d numbers; e times U plus b, through tanh, is h, h numbers; h times V plus "
        f"c is o, m logits; and their softmax is m probabilities{'; ' + known if known else ''}."
    )


def encoder_decoder(variational: bool = True, size: int | None = None, latent: int | None = None) -> Drawing:
    """An autoencoder, or a variational one with both terms of its loss where they arise, (4.7) and (4.9).

    Args:
        variational: False draws the plain one of (4.2).
        size: of x, written under it.
        latent: how many numbers z has, written under it.

    Notebook: 04-autoencoder-vae.
    """
    low = 88 if variational else 20
    sheet, y = Sheet(low + 154), low + 62
    for x, letter in ((20, "\\mathbf{x}"), (340, "\\hat{\\mathbf{x}}")):
        sheet.box(x, y, 22, 110, tint(MAP, 0.35), 2)
        sheet.letter(x, y, letter, bbox=None)
        sheet.text(x, y - 66, f"{size or ''}", SIZE)
    for x, left, right, name in ((80, 110, 56, "encoder"), (280, 56, 110, "decoder")):
        sheet.funnel(x, y, 62, left, right, tint(MAP))
        sheet.text(x, y + (11 if variational else 0), name, SIZE)
    sheet.way([(31, y), (48, y)])
    sheet.way([(311, y), (328, y)])
    sheet.way([(20, y + 57), (20, y + 78), (340, y + 78), (340, y + 57)], head=False, dashed=True)
    middle = 226 if variational else 180
    sheet.box(middle, y, 24, 50, tint(MAP, 0.35), 2)
    sheet.letter(middle, y, "\\mathbf{z}", bbox=None)
    sheet.text(middle, y + 34, f"{latent or ''}", SIZE)
    sheet.way([(middle + 13, y), (248, y)])
    return (_variational if variational else _plain)(sheet, y)


def _plain(sheet: Sheet, y: float) -> Drawing:
    """A code without chance, and one loss."""
    sheet.letter(180, y + 78, "L", LETTER)
    sheet.way([(111, y), (166, y)])
    return sheet.finish(
        "An autoencoder. The input x goes through the encoder, which gets narrower, into the short code z, and from "
        "z through the decoder, which gets wider, to x hat; the loss L compares x with x hat."
    )


def _variational(sheet: Sheet, y: float) -> Drawing:
    """A mean and a variance, a code drawn with them, and the two terms of the loss."""
    low = y - 46
    sheet.letter(80, y - 9, "q(\\mathbf{z}|\\mathbf{x})", bbox=None)
    sheet.letter(280, y - 9, "p(\\mathbf{x}|\\mathbf{z})", bbox=None)
    for up, tex in ((y, "\\mu"), (low, "\\log\\,\\sigma^2")):
        sheet.box(145, up, 46, 24)
        sheet.letter(145, up, tex, SIZE + 1, bbox=None)
        sheet.way([(168, up), (182, up)], mutation_scale=7)
    sheet.way([(111, y), (121, y)], mutation_scale=7)
    sheet.way([(111, y - 18), (116, y - 18), (116, low), (121, low)], 3, mutation_scale=7)
    sheet.letter(175, low + 10, "\\sigma", SIZE + 1)
    sheet.gate(192, y, "+")
    sheet.gate(192, low, "\\odot")
    sheet.way([(192, low + 9), (192, y - 11)])
    sheet.way([(201, y), (212, y)], mutation_scale=7)
    sheet.way([(192, y - 84), (192, low - 11)])
    sheet.letter(212, y - 94, "\\epsilon\\sim\\mathcal{N}(0,I)")
    sheet.way([(145, low - 13), (145, y - 98)], head=False, dashed=True)
    sheet.letter(100, y - 110, "\\mathrm{KL}(q(\\mathbf{z}|\\mathbf{x})\\,||\\,p(\\mathbf{z}))")
    sheet.letter(180, y + 78, "\\;\\;-\\log\\,p(\\mathbf{x}|\\mathbf{z})\\;\\;")
    sheet.text(180, 12, "loss: the sum of the two dashed terms", SMALL, color=FAINT)
    return sheet.finish(
        "A variational autoencoder. The input x goes through the encoder q of z given x to a mean mu and a log "
        "sigma squared. Noise epsilon from a standard normal distribution, times sigma, plus mu, is the code z, "
        "which goes through the decoder p of x given z to x hat. Two dashed lines end at the two terms of the loss: "
        "the KL divergence of q from the prior p of z, at mu and sigma, and minus log p of x given z, between x and "
        "x hat."
    )
