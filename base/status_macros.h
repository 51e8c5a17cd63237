#ifndef NACRE_BASE_STATUS_MACROS_H_
#define NACRE_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

// abseil 20220623 has no public form of these.

// Returns from the enclosing function when `expr`, an absl::Status, is not OK.
#define RETURN_IF_ERROR(expr)                     \
  do {                                            \
    if (absl::Status nacre_status = (expr);       \
        ABSL_PREDICT_FALSE(!nacre_status.ok())) { \
      return nacre_status;                        \
    }                                             \
  } while (false)

#define NACRE_CONCAT_INNER(a, b) a##b
#define NACRE_CONCAT(a, b) NACRE_CONCAT_INNER(a, b)
#define NACRE_ASSIGN_OR_RETURN(result, lhs, expr)                          \
  auto result = (expr);                                                    \
  if (ABSL_PREDICT_FALSE(!result.ok())) return std::move(result).status(); \
  lhs = *std::move(result)

// ASSIGN_OR_RETURN(int x, F()): assigns the value of `expr`, an
// absl::StatusOr, or returns its status from the enclosing function.
#define ASSIGN_OR_RETURN(lhs, expr) \
  NACRE_ASSIGN_OR_RETURN(NACRE_CONCAT(nacre_result_, __LINE__), lhs, expr)

#endif  // NACRE_BASE_STATUS_MACROS_H_
