"""Plan and graph -> the CloudFormation template of an application, and the listener's zip."""
