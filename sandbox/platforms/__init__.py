"""What the ad platforms' stand-ins share: the truth and its log, people and tokens, ad accounts, faults."""
