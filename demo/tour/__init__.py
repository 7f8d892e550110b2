"""The tour: what an operator would do with Hyper-V hosts in a cloud, done with the ``openstack`` client, and checked.

`tour` has the chapters in their order, a file for each; `guide` is what all of them work with, `names` what they make.
Whatever is made has a name there, so that a tour finds and removes what an interrupted one left behind. Images, flavors
and networks stay for whoever uses the cloud afterwards.
"""
