"""Sans-io codecs, one a wire format: values to bytes, bytes to deltas. No SDK, no socket, no clock."""
