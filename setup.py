"""Packages and their data; the configuration travels with them as ``unictk.conf``."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["unictk*"]), "unictk.conf"],
    package_dir={"unictk.conf": "conf"},
    package_data={
        "unictk": [
            "assets/**/*",
            "report/*.j2",
            "report/*.css",
            "report/*.js",
            "sprites/grammar/*.yaml",
            "selfplay/*.yaml",
        ],
        "unictk.conf": ["*.yaml", "*/*.yaml", "*/*/*.yaml", "schema.json"],
    },
)
