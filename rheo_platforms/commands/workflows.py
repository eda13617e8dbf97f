"""What a CI does with an application, as ``rheo init`` writes it and docs/teams.md shows it.

PYTHON stands for a version of Python.
"""

GITHUB = """\
# A pull request is tested, planned as a comment, and previewed; main is activated after an approval. Set once, as variables of
# the repository (Settings, Secrets and variables, Actions):
#   RHEO_PACKAGE    what `pip install` takes for Rheo: a wheel's address, or rheodsl @ git+https://...
#   RHEO_REGION     the region of AWS, such as eu-west-1
#   RHEO_PREVIEWER  the ARN of the role of previews, and
#   RHEO_DEPLOYER   that of the role of production: outputs of the stack that `rheo synth --deployer github:OWNER/REPOSITORY` prints
# and make the environment `prod` with required reviewers. There are no keys to keep: the roles trust GitHub's OIDC provider.
name: rheo
on:
  pull_request: {types: [opened, synchronize, reopened, closed]}
  push: {branches: [main]}
permissions: {id-token: write, contents: read, pull-requests: write}
env:
  RHEO_REGION: ${{ vars.RHEO_REGION }}

jobs:
  preview:
    if: github.event_name == 'pull_request' && github.event.action != 'closed'
    runs-on: ubuntu-latest
    concurrency: pr-${{ github.event.number }}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "PYTHON"}
      - run: python -m pip install "${{ vars.RHEO_PACKAGE }}" pytest
      - run: rheo check --strict
      - run: python -m pytest
      - uses: aws-actions/configure-aws-credentials@v4
        with: {role-to-assume: "${{ vars.RHEO_PREVIEWER }}", aws-region: "${{ vars.RHEO_REGION }}"}
      - name: What merging would change
        run: |
          { echo '```'; rheo plan --stage prod; echo '```'; } > plan.txt
          gh pr comment ${{ github.event.number }} --edit-last --create-if-none --body-file plan.txt
        env: {GH_TOKEN: "${{ github.token }}"}
      - run: rheo activate --stage pr-${{ github.event.number }} --from prod

  remove:
    if: github.event.action == 'closed'
    runs-on: ubuntu-latest
    concurrency: pr-${{ github.event.number }}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "PYTHON"}
      - run: python -m pip install "${{ vars.RHEO_PACKAGE }}"
      - uses: aws-actions/configure-aws-credentials@v4
        with: {role-to-assume: "${{ vars.RHEO_PREVIEWER }}", aws-region: "${{ vars.RHEO_REGION }}"}
      - run: rheo terminate --stage pr-${{ github.event.number }} --yes
      - run: rheo delete --stage pr-${{ github.event.number }} --yes

  activate:
    if: github.event_name == 'push'
    runs-on: ubuntu-latest
    environment: prod # with required reviewers
    concurrency: prod
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "PYTHON"}
      - run: python -m pip install "${{ vars.RHEO_PACKAGE }}" pytest
      - run: python -m pytest
      - uses: aws-actions/configure-aws-credentials@v4
        with: {role-to-assume: "${{ vars.RHEO_DEPLOYER }}", aws-region: "${{ vars.RHEO_REGION }}"}
      - run: rheo activate --stage prod
"""

GITLAB = """\
# A merge request is tested, planned as a comment, and previewed; main is activated when somebody starts its job. Set once, as
# variables of the project (Settings, CI/CD):
#   RHEO_PACKAGE    what `pip install` takes for Rheo: a wheel's address, or rheodsl @ git+https://...
#   RHEO_REGION     the region of AWS, such as eu-west-1
#   RHEO_PREVIEWER  the ARN of the role of previews, and
#   RHEO_DEPLOYER   that of the role of production: outputs of the stack that `rheo synth --deployer gitlab:GROUP/PROJECT` prints
#   COMMENT_TOKEN   a project access token with the scope api, masked, for comments
# There are no keys of AWS to keep: the roles trust GitLab's OIDC provider.
image: python:PYTHON
variables: {AWS_DEFAULT_REGION: $RHEO_REGION}

.aws: &aws
  id_tokens: {TOKEN: {aud: "https://gitlab.com"}}
  before_script:
    - python -m pip install "$RHEO_PACKAGE" pytest
    - echo "$TOKEN" > /tmp/token
    - export AWS_WEB_IDENTITY_TOKEN_FILE=/tmp/token AWS_ROLE_ARN="$ROLE"

preview:
  <<: *aws
  variables: {ROLE: $RHEO_PREVIEWER}
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
  environment: {name: pr-$CI_MERGE_REQUEST_IID, on_stop: remove}
  script:
    - rheo check --strict
    - python -m pytest
    - rheo plan --stage prod > plan.txt
    - 'curl --fail --header "PRIVATE-TOKEN: $COMMENT_TOKEN" --data-urlencode "body@plan.txt" "$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes"'
    - rheo activate --stage pr-$CI_MERGE_REQUEST_IID --from prod

remove:
  <<: *aws
  variables: {ROLE: $RHEO_PREVIEWER}
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
      when: manual
      allow_failure: true
  environment: {name: pr-$CI_MERGE_REQUEST_IID, action: stop}
  script:
    - rheo terminate --stage pr-$CI_MERGE_REQUEST_IID --yes
    - rheo delete --stage pr-$CI_MERGE_REQUEST_IID --yes

activate:
  <<: *aws
  variables: {ROLE: $RHEO_DEPLOYER}
  rules:
    - if: $CI_COMMIT_BRANCH == "main"
      when: manual # the approval
  environment: prod
  script:
    - python -m pytest
    - rheo activate --stage prod
"""
