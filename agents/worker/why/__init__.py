"""Why a tuned model gave an answer: what of the prompt it rests on, where it looked, and which rows taught it."""
