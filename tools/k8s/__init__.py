"""What is checked of deploy/k8s before anybody applies it."""
