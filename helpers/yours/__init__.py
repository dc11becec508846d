"""`make yours SONGS=my-songs`: the network of notebook 06 trained on your own folder, and a page about it."""
