"""Names of services: what people call them, and what FOCUS exports name them.

Every name of a group means the same service. A broader word, such as kubernetes, stands for several groups.
"""

# All in lower case; the first of each group is its key.
_GROUPS: tuple[tuple[str, ...], ...] = (
    ("ec2", "amazon ec2", "aws ec2", "amazon elastic compute cloud", "amazonec2", "elastic compute cloud",
     "amazon elastic compute cloud - compute",
     "amazon elastic compute cloud nat gateway", "elastic compute cloud (ec2)"),
    ("s3", "amazon s3", "aws s3", "amazon simple storage service", "amazons3", "simple storage service"),
    ("rds", "amazon rds", "aws rds", "amazon relational database service", "relational database service", "amazonrds"),
    ("aurora", "amazon aurora"),
    ("lambda", "aws lambda", "amazon lambda", "awslambda"),
    ("dynamodb", "amazon dynamodb", "dynamo db", "dynamo", "amazondynamodb"),
    ("cloudfront", "amazon cloudfront", "amazoncloudfront"),
    ("cloudwatch", "amazon cloudwatch", "amazoncloudwatch", "cloud watch"),
    ("redshift", "amazon redshift", "amazonredshift"),
    ("sqs", "amazon sqs", "amazon simple queue service", "simple queue service", "awsqueueservice"),
    ("sns", "amazon sns", "amazon simple notification service", "simple notification service"),
    ("eks", "amazon eks", "amazon elastic kubernetes service", "elastic kubernetes service",
     "amazon elastic container service for kubernetes", "amazoneks"),
    ("ecs", "amazon ecs", "amazon elastic container service", "elastic container service"),
    ("fargate", "aws fargate"),
    ("ecr", "amazon ecr", "amazon elastic container registry", "amazon ec2 container registry (ecr)"),
    ("ebs", "amazon ebs", "amazon elastic block store", "elastic block store"),
    ("efs", "amazon efs", "amazon elastic file system", "elastic file system"),
    ("elb", "elastic load balancing", "aws elastic load balancing", "alb", "nlb"),
    ("elasticache", "amazon elasticache"),
    ("emr", "amazon emr", "amazon elastic mapreduce", "elastic mapreduce"),
    ("msk", "amazon msk", "amazon managed streaming for apache kafka"),
    ("kinesis", "amazon kinesis"),
    ("athena", "amazon athena"),
    ("glue", "aws glue"),
    ("opensearch", "amazon opensearch service", "opensearch service", "amazon elasticsearch service"),
    ("route 53", "amazon route 53", "route53"),
    ("vpc", "amazon vpc", "amazon virtual private cloud"),
    ("kms", "aws kms", "aws key management service", "key management service"),
    ("guardduty", "amazon guardduty"),
    ("sagemaker", "amazon sagemaker"),
    ("bedrock", "amazon bedrock", "aws bedrock"),
    ("aws data transfer", "data transfer"),
    ("savings plan", "savings plans", "savings plans for aws compute usage", "savings plans for compute usage"),
    ("gce", "compute engine", "google compute engine", "gcp compute engine"),
    ("gcs", "cloud storage", "google cloud storage", "gcp cloud storage"),
    ("gke", "google kubernetes engine", "kubernetes engine", "gcp kubernetes"),
    ("bigquery", "google bigquery", "big query", "bq"),
    ("cloud run", "google cloud run"),
    ("cloud sql", "google cloud sql", "cloudsql"),
    ("cloud functions", "google cloud functions", "cloud run functions"),
    ("cloud logging", "google cloud logging", "stackdriver logging"),
    ("pubsub", "pub/sub", "cloud pub/sub", "google cloud pub/sub"),
    ("dataflow", "google cloud dataflow", "cloud dataflow"),
    ("spanner", "cloud spanner", "google cloud spanner"),
    ("bigtable", "cloud bigtable", "google cloud bigtable"),
    ("secret manager", "google secret manager"),
    ("vertex ai", "google vertex ai", "vertexai", "vertex"),
    ("azure vm", "azure vms", "virtual machines", "azure virtual machines", "virtual machine", "vms"),
    ("aks", "azure kubernetes service"),
    ("azure blob storage", "blob storage", "azure storage", "storage accounts", "storage account", "blob"),
    ("azure sql", "azure sql database", "sql database"),
    ("cosmos db", "azure cosmos db", "cosmosdb", "cosmos"),
    ("app service", "azure app service"),
    ("azure functions", "azure function", "functions"),
    ("azure monitor",),
    ("azure openai", "azure openai service", "azure open ai"),
    ("azure reservations", "azure reservation"),
    ("openai api", "chatgpt api", "gpt api"),
    ("claude api", "anthropic api"),
    ("gemini api", "google gemini api"),
    ("github", "github enterprise", "github teams"),
    ("datadog", "datadog infrastructure"),
    ("zoom", "zoom workplace"),
)  # fmt: skip
_BROADER: dict[str, tuple[str, ...]] = {
    "kubernetes": ("gke", "eks", "aks"),
    "k8s": ("gke", "eks", "aks"),
    "virtual servers": ("ec2", "gce", "azure vm"),
    "object storage": ("s3", "gcs", "azure blob storage"),
    "serverless functions": ("lambda", "cloud functions", "azure functions"),
}
_BY_NAME = {name: group for group in _GROUPS for name in group}
_BY_KEY = {group[0]: group for group in _GROUPS}


def service_names(asked: str) -> tuple[str, ...]:
    """The lower-case service names that an asked-for service may stand for, itself included."""
    exact = asked.lower()
    name = " ".join(exact.split())
    groups = [_BY_KEY[key] for key in _BROADER.get(name, ())] or [_BY_NAME.get(name, ())]
    return tuple(sorted({exact, name, *(each for group in groups for each in group)}))


def aliases_of(service: str) -> tuple[str, ...]:
    """The short names by which people ask for a service of this full name."""
    group = _BY_NAME.get(" ".join(service.lower().split()), ())
    broader = (word for word, keys in _BROADER.items() if group and group[0] in keys)
    return tuple(name for name in (group[:1] + tuple(broader)) if name != service.lower())
