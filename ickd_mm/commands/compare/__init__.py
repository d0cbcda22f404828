"""Train several configs over several seeds in processes of their own and compare the scores."""
