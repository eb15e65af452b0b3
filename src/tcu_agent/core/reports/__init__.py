"""What the car says by itself or says no to: numbered, limited, kept until acknowledged."""
