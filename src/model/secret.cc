#include "model/secret.h"

#include "base/encoding.h"

namespace mesh {

namespace {

void validate_secret(const AnySpec& spec, std::vector<Violation>& violations) {
  const auto* secret = spec.as<SecretData>();
  if (secret != nullptr && secret->data && !base64_decode(*secret->data))
    violations.push_back({"data", "must be base64"});
}

}  // namespace

const Kind kSecretKind = describe_kind<SecretData>({.name = "Secret",
                                                    .path = "secrets",
                                                    .singular = "Secret",
                                                    .plural = "Secrets",
                                                    .layout = Layout::Flat,
                                                    .admin_only = true,
                                                    .validate = validate_secret});

const Kind kGlobalSecretKind = describe_kind<SecretData>({.name = "GlobalSecret",
                                                          .path = "globalsecrets",
                                                          .singular = "Global Secret",
                                                          .plural = "Global Secrets",
                                                          .scope = Scope::Global,
                                                          .layout = Layout::Flat,
                                                          .admin_only = true,
                                                          .path_aliases = {"global-secrets"},
                                                          .validate = validate_secret});

Resource secret_resource(const std::string& mesh, const std::string& name, const Secret& value) {
  Resource resource;
  resource.key = {mesh.empty() ? &kGlobalSecretKind : &kSecretKind, mesh, name};
  resource.spec = AnySpec::of(SecretData{.data = base64_encode(value.reveal())});
  return resource;
}

Result<Secret> secret_value(const Resource& resource) {
  const auto* spec = resource.spec.as<SecretData>();
  if (spec == nullptr || !spec->data) return invalid("data", resource.key.to_string() + " is empty");
  std::optional<std::string> decoded = base64_decode(*spec->data);
  if (!decoded) return invalid("data", resource.key.to_string() + " is not base64");
  return Secret(std::move(*decoded));
}

}  // namespace mesh
