#include "identity/openssl.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>

namespace mesh::openssl {

Error failure(std::string_view doing) {
  std::array<char, 256> text{};
  const unsigned long code = ERR_peek_last_error();
  if (code != 0) ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return error(ErrorKind::Internal, code == 0 ? std::string(doing) : fmt::format("{}: {}", doing, text.data()));
}

Stream reader(std::string_view content) {
  return Stream(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
}

std::string written(BIO* stream) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(stream, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

Result<Key> read_private_key(const Secret& pem) {
  const Stream stream = reader(pem.reveal());
  const auto no_password = [](char*, int, int, void*) { return -1; };
  Key key(PEM_read_bio_PrivateKey(stream.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  if (key == nullptr) return invalid("key", "is not a private key in PEM without a password");
  return key;
}

Result<Secret> print_private_key(EVP_PKEY* key) {
  const Stream out(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PrivateKey_traditional(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return failure("cannot print a private key");
  return Secret(written(out.get()));
}

std::string sha256(std::string_view content) {
  std::array<unsigned char, 32> digest{};
  unsigned size = 0;
  EVP_Digest(content.data(), content.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace mesh::openssl
