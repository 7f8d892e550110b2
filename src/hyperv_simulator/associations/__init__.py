"""The associations that a manager of Hyper-V hosts follows: one file per area, each with the rows it knows of.

Which rows exist between which instances, and their properties: real-instances 1.2 to 1.7, 3.3 and 3.5. Nothing is
stored: a row is a pair of walks (``repository.associations``), so it can't disagree with the instances at its ends.
"""
