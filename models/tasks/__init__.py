"""How each kind of network learns and is scored, each in the table by being here, under `@task("name")`.

`models.training.task.Task` says what one promises.
"""

from plumbing.table import Table

task = Table("task", "models.tasks")
