"""Words that a comparison of prompts treats in their own way, spelled as `texts.normal` leaves them."""

_SMALL = """
    a an and are at be been by can could did do does for from had has have hello hey hi how i id im in is it its
    ive just me my of on or our please question quick so some such than thanks that the their them then there these they this
    those to us was we were what when where which while who why will with would you your kindly actually help now okay sorry well
    aber als am an auch bitte das dass dem den der des die ein eine einem einen einer er es fur hallo ich ihr im in
    ist mein meine mich mir mit sie sind und uns vom von war was wie wir wo zu zum zur
    al avec con da dans de del della des di du el elle en est et il je la las le les los lo mi moi mon ma nous
    o os para por pour que qui se si son su sur un una une uno vous y
"""
_TURNING = """
    no not never none without cannot cant dont doesnt didnt isnt wasnt wont wouldnt couldnt shouldnt hasnt havent
    arent nicht kein keine keinen ohne nie pas sans jamais non nunca sin nao yes true false
"""

SMALL_WORDS = frozenset(_SMALL.split())
"""They say little about what a prompt is about, in the languages seen most."""
TURNING_WORDS = frozenset(_TURNING.split())
"""They turn a sentence around: two prompts must agree in them."""
