"""Simulation: scenarios in worlds whose optimum is known, played through the engine that serves."""
