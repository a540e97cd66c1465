"""What runs in AWS Lambda: each file is a function's whole source, and needs nothing but boto3, which is there."""

__all__ = ["machine_expiry", "online_store_password"]
