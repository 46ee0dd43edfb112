"""The error answers of a ClearML API server, by the code and subcode clients see."""

from __future__ import annotations


class ApiError(Exception):
    """An answer other than 200, as `meta.result_code`, `result_subcode` and `result_msg`."""

    def __init__(self, code: int, subcode: int, message: str, **details: object) -> None:
        self.code = code
        self.subcode = subcode
        shown = ", ".join(f"{name}={value}" for name, value in details.items())
        self.message = f"{message}: {shown}" if shown else message
        super().__init__(self.message)


def not_supported(message: str) -> ApiError:
    return ApiError(400, 1, message)


def invalid_version(version: str) -> ApiError:
    return ApiError(400, 2, "Invalid API version", version=version)


def validation_error(message: str, **details: object) -> ApiError:
    return ApiError(400, 12, f"Validation error ({message})", **details)


def invalid_field_value(message: str, **details: object) -> ApiError:
    return ApiError(400, 16, message, **details)


def batch_contains_no_items() -> ApiError:
    return ApiError(400, 17, "Batch request contains no items")


def invalid_regex(pattern: str, reason: object) -> ApiError:
    return ApiError(400, 21, "Malformed regular expression", pattern=pattern, reason=reason)


def invalid_task_id(task_id: object) -> ApiError:
    return ApiError(400, 101, "Invalid task id", id=task_id)


def invalid_task_status(message: str, **details: object) -> ApiError:
    return ApiError(400, 110, f"Invalid task status: {message}", **details)


def task_cannot_be_deleted(task_id: str, status: str) -> ApiError:
    return ApiError(
        400,
        123,
        "Task cannot be deleted due to status, use force=True",
        task=task_id,
        status=status,
    )


def events_not_added(reasons: dict[str, int]) -> ApiError:
    return ApiError(400, 131, "Events not added", **reasons)


def invalid_model_id(model_id: object) -> ApiError:
    return ApiError(400, 201, "Invalid model id", id=model_id)


def model_is_ready(model_id: object) -> ApiError:
    return ApiError(400, 203, "Model is ready", id=model_id)


def invalid_project_id(project_id: object) -> ApiError:
    return ApiError(400, 401, "Invalid project id", id=project_id)


def invalid_queue_id(queue_id: object) -> ApiError:
    return ApiError(400, 701, "Invalid queue id", id=queue_id)


def too_short(kind: str, field: str = "name") -> ApiError:
    return ApiError(
        400,
        800,
        f"Data validation error (ValidationError ({kind}:None) "
        f"(String value is too short: ['{field}']))",
    )


def already_exists(kind: str, name: str) -> ApiError:
    return ApiError(400, 801, f"{kind} with the same name already exists", name=name)


def unauthorized(subcode: int, message: str) -> ApiError:
    return ApiError(401, subcode, f"Unauthorized ({message})")


def data_error(message: str) -> ApiError:
    return ApiError(500, 100, f"General data error ({message})")
