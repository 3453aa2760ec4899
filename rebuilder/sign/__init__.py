"""Our own keys: the adapters behind the ``Signing`` port."""
