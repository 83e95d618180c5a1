"""Segments of networks: the cloud's own, so none is made; one that a project owns is reported."""

from naru.move.kind import Kind

KIND = Kind("segment", owned=True)
