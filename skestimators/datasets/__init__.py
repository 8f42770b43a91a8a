"""Readers of file formats, simulators and downloads."""

__all__ = []
