"""Debian's Chromium for the tests that look at pages."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""Where it is: the program without windows, which takes half the CPU, or else the whole browser."""

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # A page that Playwright serves counts as one from the internet, the gateway is on this machine.
    "--disable-features=LocalNetworkAccessChecks",
]

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
