# One SoftHSM token directory per partition, each with its own configuration, PINs and owner.

token_conf() { echo "$DIR/tokens/$1/softhsm2.conf"; }

# PINs come from the kernel's generator and never leave their 0600 files.
random_pin() { od -An -N12 -tx1 /dev/urandom | tr -d ' \n'; }

tokens_init() {
    local p user folder
    for p in $PARTITIONS; do
        folder=$DIR/tokens/$p
        user=$(owner_of_partition "$p")
        [ -e "$folder/done" ] && continue
        say "making the token chancery-$p"
        mkdir -p "$folder" # it may be a mounted volume, which cannot be removed
        find "$folder" -mindepth 1 -delete
        own "$user" 700 "$folder" "$folder/tokens"
        put "$user" 600 "$folder/softhsm2.conf" <<CONF
directories.tokendir = $folder/tokens
objectstore.backend = file
objectstore.umask = 0077
log.level = ERROR
slots.removable = false
CONF
        random_pin | put "$user" 600 "$folder/pin"
        random_pin | put "$user" 600 "$folder/so-pin"
        run_as "$user" env SOFTHSM2_CONF="$folder/softhsm2.conf" "$DIR/bin/chancery" hsm token-init --module "$SOFTHSM" \
            --label "chancery-$p" --so-pin-file "$folder/so-pin" --pin-file "$folder/pin" >/dev/null || die "token chancery-$p could not be made"
        touch "$folder/done"
    done
}

# The ceremony works with all tokens at once, as the invoking user: what it made goes to the owners.
tokens_hand_over() {
    local p
    is_root || return 0
    for p in $PARTITIONS; do
        chown -R "$(owner_of_partition "$p"):" "$DIR/tokens/$p"
        chmod -R go= "$DIR/tokens/$p"
    done
}
