"""Networks that find plates and faces in upright pixels, and what joins their passes."""
