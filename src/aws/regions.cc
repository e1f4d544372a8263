#include "aws/regions.h"

#include <algorithm>
#include <array>

namespace mesh::aws {
namespace {

constexpr std::string_view kCommercial = "aws", kChina = "aws-cn", kGovernment = "aws-us-gov";

constexpr auto kRegions = std::to_array<Region>({
    {"af-south-1", kCommercial},     {"ap-east-1", kCommercial},      {"ap-east-2", kCommercial},
    {"ap-northeast-1", kCommercial}, {"ap-northeast-2", kCommercial}, {"ap-northeast-3", kCommercial},
    {"ap-south-1", kCommercial},     {"ap-south-2", kCommercial},     {"ap-southeast-1", kCommercial},
    {"ap-southeast-2", kCommercial}, {"ap-southeast-3", kCommercial}, {"ap-southeast-4", kCommercial},
    {"ap-southeast-5", kCommercial}, {"ap-southeast-6", kCommercial}, {"ap-southeast-7", kCommercial},
    {"ca-central-1", kCommercial},   {"ca-west-1", kCommercial},      {"eu-central-1", kCommercial},
    {"eu-central-2", kCommercial},   {"eu-north-1", kCommercial},     {"eu-south-1", kCommercial},
    {"eu-south-2", kCommercial},     {"eu-west-1", kCommercial},      {"eu-west-2", kCommercial},
    {"eu-west-3", kCommercial},      {"il-central-1", kCommercial},   {"me-central-1", kCommercial},
    {"me-south-1", kCommercial},     {"mx-central-1", kCommercial},   {"sa-east-1", kCommercial},
    {"us-east-1", kCommercial},      {"us-east-2", kCommercial},      {"us-west-1", kCommercial},
    {"us-west-2", kCommercial},      {"cn-north-1", kChina},          {"cn-northwest-1", kChina},
    {"us-gov-east-1", kGovernment},  {"us-gov-west-1", kGovernment},
});

constexpr std::array<std::string_view, 6> kFipsRegions = {"us-east-1", "us-east-2",     "us-west-1",
                                                          "us-west-2", "us-gov-east-1", "us-gov-west-1"};

struct EndpointClass {
  StsEndpoint endpoint;
  std::string_view name;
};
constexpr auto kEndpoints = std::to_array<EndpointClass>(
    {{StsEndpoint::Regional, "regional"}, {StsEndpoint::Global, "global"}, {StsEndpoint::Fips, "fips"}});

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view domain_of(std::string_view partition) {
  return partition == kChina ? ".amazonaws.com.cn" : ".amazonaws.com";
}

}  // namespace

const Region* find_region(std::string_view name) {
  const auto found =
      std::find_if(kRegions.begin(), kRegions.end(), [&](const Region& region) { return region.name == name; });
  return found == kRegions.end() ? nullptr : &*found;
}

std::string_view sts_endpoint_name(StsEndpoint endpoint) {
  for (const auto& known : kEndpoints) {
    if (known.endpoint == endpoint) return known.name;
  }
  return "regional";
}

std::optional<StsEndpoint> parse_sts_endpoint(std::string_view text) {
  for (const auto& known : kEndpoints) {
    if (known.name == text) return known.endpoint;
  }
  return std::nullopt;
}

Result<Endpoint> sts_endpoint(const Region& region, StsEndpoint endpoint) {
  const std::string name(region.name);
  switch (endpoint) {
    case StsEndpoint::Regional: return Endpoint{"sts." + name + std::string(domain_of(region.partition)), name};
    case StsEndpoint::Global:
      if (region.partition != kCommercial)
        return invalid("endpoint", "there is no global STS endpoint in partition " + std::string(region.partition));
      return Endpoint{"sts.amazonaws.com", "us-east-1"};
    case StsEndpoint::Fips:
      if (std::find(kFipsRegions.begin(), kFipsRegions.end(), region.name) == kFipsRegions.end()) {
        return invalid("endpoint", "there is no FIPS endpoint of STS in region " + name);
      }
      // In GovCloud the usual endpoint is the FIPS one.
      return Endpoint{(region.partition == kGovernment ? "sts." : "sts-fips.") + name + ".amazonaws.com", name};
  }
  return invalid("endpoint", "is not known");
}

Result<Endpoint> iam_endpoint(std::string_view partition) {
  if (partition == kCommercial) return Endpoint{"iam.amazonaws.com", "us-east-1"};
  if (partition == kChina) return Endpoint{"iam.cn-north-1.amazonaws.com.cn", "cn-north-1"};
  if (partition == kGovernment) return Endpoint{"iam.us-gov.amazonaws.com", "us-gov-west-1"};
  return invalid("partition", "is not known");
}

Result<Endpoint> route53_endpoint(std::string_view partition) {
  if (partition == kCommercial) return Endpoint{"route53.amazonaws.com", "us-east-1"};
  if (partition == kChina) return Endpoint{"route53.amazonaws.com.cn", "cn-northwest-1"};
  if (partition == kGovernment) return Endpoint{"route53.us-gov.amazonaws.com", "us-gov-west-1"};
  return invalid("partition", "is not known");
}

Endpoint secrets_manager_endpoint(const Region& region) {
  const std::string name(region.name);
  return {"secretsmanager." + name + std::string(domain_of(region.partition)), name};
}

std::optional<Arn> parse_arn(std::string_view text) {
  std::array<std::string, 5> parts;
  for (auto& part : parts) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    part = std::string(text.substr(0, colon));
    text.remove_prefix(colon + 1);
  }
  if (parts[0] != "arn" || parts[1].empty() || parts[2].empty() || text.empty()) return std::nullopt;
  return Arn{parts[1], parts[2], parts[3], parts[4], std::string(text)};
}

bool is_account_id(std::string_view text) {
  return text.size() == 12 && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_role_name(std::string_view text) {
  constexpr std::string_view kOthers = "_+=,.@-";
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kOthers.contains(c);
  });
}

}  // namespace mesh::aws
