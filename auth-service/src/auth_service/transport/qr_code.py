"""QR codes for authenticator apps."""

from io import BytesIO


def qr_code(text: str) -> str:
    """Returns the QR code of a text as an SVG document: black on white, which cameras read in any theme."""
    import segno  # noqa: PLC0415 - half a megabyte, for those who add an authenticator app

    image = BytesIO()
    code = segno.make(text, error="m", micro=False)
    code.save(image, kind="svg", xmldecl=False, omitsize=True, dark="#000", light="#fff")
    return image.getvalue().decode()
