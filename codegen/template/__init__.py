"""Plan and graph -> the CloudFormation template of an application, and the listener's zip."""

from codegen.template.bundle import lambda_zip
from codegen.template.errors import TemplateError
from codegen.template.stack import LONGEST_INLINE, Template, build_parts, build_template, compact, dumps, only

__all__ = [
    "LONGEST_INLINE",
    "Template",
    "TemplateError",
    "build_parts",
    "build_template",
    "compact",
    "dumps",
    "lambda_zip",
    "only",
]
