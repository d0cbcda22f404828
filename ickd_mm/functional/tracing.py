"""Whether ``torch.compile`` is tracing right now."""

try:
    from torch.compiler import is_compiling
except ImportError:  # torch < 2.3
    from torch._dynamo import is_compiling

__all__ = ['is_compiling']
