#include "aws/iam.h"

namespace mesh::aws {
namespace {

constexpr const char* kSpace = "https://iam.amazonaws.com/doc/2010-05-08/";

Error untrusted(const std::string& what) {
  return error(ErrorKind::Unavailable, "the answer of AWS IAM cannot be trusted: " + what);
}

Status read_tags(const XmlElement& tags, std::map<std::string, std::string>& out) {
  for (const XmlElement& tag : tags.children) {
    if (tag.name != "member") return untrusted("its tags are not a list");
    MESH_TRY(std::string key, tag.text_of("Key"));
    MESH_TRY(std::string value, tag.text_of("Value"));
    if (!out.emplace(key, std::move(value)).second) return untrusted("a tag comes twice");
  }
  return {};
}

}  // namespace

Result<Role> read_role(const XmlElement& root) {
  if (root.name != "GetRoleResponse" || root.space != kSpace) return untrusted("it is no answer to GetRole");
  const auto read = [&]() -> Result<Role> {
    MESH_TRY(const XmlElement* result, root.child("GetRoleResult"));
    MESH_TRY(const XmlElement* role, result->child("Role"));
    Role out;
    MESH_TRY(out.arn, role->text_of("Arn"));
    MESH_TRY(out.name, role->text_of("RoleName"));
    MESH_TRY(out.id, role->text_of("RoleId"));
    if (role->find("Tags") != nullptr) {
      MESH_TRY(const XmlElement* tags, role->child("Tags"));
      MESH_RETURN_IF_ERROR(read_tags(*tags, out.tags));
    }
    return out;
  };
  auto role = read();
  if (!role && role.error().kind != ErrorKind::Unavailable) return untrusted(role.error().message());
  return role;
}

Result<Role> get_role(const Caller& caller, const std::string& partition, const KeyPair& keys,
                      const std::string& name) {
  MESH_TRY(const Endpoint endpoint, iam_endpoint(partition));
  MESH_TRY(const XmlElement root,
           call_query(caller,
                      {"IAM", "iam", endpoint, {{"Action", "GetRole"}, {"Version", "2010-05-08"}, {"RoleName", name}}},
                      &keys));
  return read_role(root);
}

}  // namespace mesh::aws
