"""The publisher's signatures, judged by the operator's trust store: THEIR keys, never ours."""
