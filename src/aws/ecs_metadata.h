// What ECS tells a task about itself (task metadata endpoint, version 4).
#pragma once

#include <string>

#include "aws/credentials.h"

namespace mesh::aws {

struct TaskMetadata {
  std::string task_arn, cluster, family, availability_zone, launch_type;
  std::string desired_status, known_status;
  std::string address;  // of the task in its network; empty: it has none of its own
};
// May block.
Result<TaskMetadata> fetch_task_metadata(const ChainNeeds& needs);
Result<TaskMetadata> parse_task_metadata(std::string_view body);
Result<std::string> task_region(const ChainNeeds& needs);

}  // namespace mesh::aws
