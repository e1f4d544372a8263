#include "aws/ecs_metadata.h"

#include <boost/json.hpp>

#include "aws/sources.h"

namespace mesh::aws {
namespace {

std::string text_at(const boost::json::value& document, std::string_view pointer) {
  boost::system::error_code missing;
  const auto* found = document.find_pointer(pointer, missing);
  const auto* text = found == nullptr ? nullptr : found->if_string();
  return text == nullptr ? std::string() : std::string(*text);
}

// Of the first container that has one: all containers of a task share it.
std::string address_in(const boost::json::value& document) {
  boost::system::error_code missing;
  const auto* containers = document.find_pointer("/Containers", missing);
  const auto* list = containers == nullptr ? nullptr : containers->if_array();
  if (list == nullptr) return {};
  for (const auto& container : *list) {
    std::string address = text_at(container, "/Networks/0/IPv4Addresses/0");
    if (!address.empty()) return address;
  }
  return {};
}

}  // namespace

Result<TaskMetadata> parse_task_metadata(std::string_view body) {
  boost::system::error_code problem;
  const auto document = boost::json::parse(body, problem);
  if (problem || !document.is_object())
    return error(ErrorKind::Unavailable, "the ECS task metadata is not a JSON object");
  TaskMetadata out;
  out.task_arn = text_at(document, "/TaskARN");
  out.cluster = text_at(document, "/Cluster");
  out.family = text_at(document, "/Family");
  out.availability_zone = text_at(document, "/AvailabilityZone");
  out.launch_type = text_at(document, "/LaunchType");
  out.desired_status = text_at(document, "/DesiredStatus");
  out.known_status = text_at(document, "/KnownStatus");
  out.address = address_in(document);
  return out;
}

Result<TaskMetadata> fetch_task_metadata(const ChainNeeds& needs) {
  const std::string base = needs.environment.get("ECS_CONTAINER_METADATA_URI_V4");
  if (base.empty()) return error(ErrorKind::NotFound, "ECS_CONTAINER_METADATA_URI_V4 is not set: this is no ECS task");
  wire::ClientRequest request;
  request.url = base + "/task";
  MESH_TRY(const std::string body, fetch_local(needs.caller, std::move(request), "the ECS task metadata"));
  return parse_task_metadata(body);
}

Result<std::string> task_region(const ChainNeeds& needs) {
  MESH_TRY(const TaskMetadata task, fetch_task_metadata(needs));
  const auto arn = parse_arn(task.task_arn);
  if (!arn || arn->region.empty())
    return error(ErrorKind::Unavailable, "the ECS task metadata does not tell the region");
  return arn->region;
}

}  // namespace mesh::aws
