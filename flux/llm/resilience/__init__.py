"""Providers that wrap a provider, for when requests fail."""
