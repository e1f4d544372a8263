"""An ECS in a box: CloudFormation templates become running tasks on one machine. README.md says what is in it."""
