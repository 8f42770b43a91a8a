"""Pretrained networks as transformers, and the store of their output."""

__all__ = []
