"""Local stand-ins for Slack and the ad platforms. Imports nothing of the product, so that no misreading is made twice."""
