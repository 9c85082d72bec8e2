"""How a run goes: its inputs, its output, its steps, its workers."""
