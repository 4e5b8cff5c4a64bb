"""A zoo of trainings with one planted fault each, and of healthy ones: how often is the debugger right?"""
